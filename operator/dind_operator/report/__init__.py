"""`report`: the support bundle. What a bug report needs, read with the rights of whoever asks."""
