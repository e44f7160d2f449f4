"""警小微: a county police window on WeCom that answers, warns and hands over to people."""

__version__ = "0.1.0"
