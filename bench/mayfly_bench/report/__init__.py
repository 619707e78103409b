"""mayfly-bench report: what results files hold, as pictures and tables. Needs matplotlib, numpy and jsonschema."""
