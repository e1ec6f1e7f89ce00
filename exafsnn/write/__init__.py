"""Results on disk: tables, figures, archive, page; all or nothing."""
