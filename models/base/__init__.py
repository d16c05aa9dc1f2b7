"""What every operation uses: the caller, the error tree, validation of input, account locks."""
