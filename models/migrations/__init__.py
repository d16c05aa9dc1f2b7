"""The schema's history, one file a step, SQL written by hand.

Tortoise's runner applies the steps in order and remembers them; its generated operations are not
used, because they leave out CHECKs, partial unique indexes and triggers without a word.
"""
