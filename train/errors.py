"""What training and measuring raise besides the errors of app.

ConfigError
└── DataError    -    invalid_data    a file, or an array of figures, that nothing can be learnt from or measured on
RouterError
└── PublishError -    not_published   refused by the comparison, or not taken by the cluster; what was live goes on
"""

from app.errors import ConfigError, RouterError


class DataError(ConfigError):
    code = "invalid_data"


class PublishError(RouterError):
    code = "not_published"
