"""What users write and read: the DindEnvironment's models, its conditions and reasons, and the CRD made from them.

Imports nothing of ours: everything else rests on it.
"""
