"""Protocol messages generated from `proto/consentry/v1`; never edited by hand."""
