//! Bodies of fuzz targets: hostile bytes and graphs at the ledger's door.
