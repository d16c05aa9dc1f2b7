"""The foundation of all operations: the caller, the error tree, validation of input, locks on accounts."""
