"""What storage raises besides ConfigError.

RouterError
└── StorageUnavailable    503   storage_unavailable    the database is down, slow or locked; may pass
"""

from app.errors import RouterError


class StorageUnavailable(RouterError):
    status = 503
    code = "storage_unavailable"
