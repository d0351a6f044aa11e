"""Any container or pipe -> blocks of samples."""
