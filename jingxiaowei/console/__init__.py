"""The officers' pages (工作台): thin views over the services."""

from jingxiaowei.console.doors import make_console as make_console
