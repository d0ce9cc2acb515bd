"""What training and measuring raise besides the errors of app.

ConfigError
└── DataError    -    invalid_data    a file, or an array of figures, that nothing can be learnt from or measured on
"""

from app.errors import ConfigError


class DataError(ConfigError):
    code = "invalid_data"
