"""Search of a precision for each operator: sensitivity, LiteMP, AMP."""
