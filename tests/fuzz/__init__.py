"""Environments that nobody would write, made from the CustomResourceDefinition and a seed."""
