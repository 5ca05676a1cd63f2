//! Log tools: list, show, verify, export. Read only.
