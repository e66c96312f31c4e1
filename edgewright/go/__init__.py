"""Graph optimization: certified rewrite rules, chosen by the target, each firing witnessed on samples."""
