"""How each field is answered: in batches, all parents in, all children out, in order.

A resolver reads the context, calls one thing of `models`, and returns rows. It never decides who
may see them: that is said by the field's rule, and what a list shows by its SQL.
"""
