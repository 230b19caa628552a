# Makes the profile dind-complain out of dind: the same rules, but what they deny is written to the log and let through.
s/^profile dind flags=(\([a-z_,]*\)) {$/profile dind-complain flags=(\1,complain) {/
