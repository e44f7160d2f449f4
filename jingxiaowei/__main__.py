"""``python -m jingxiaowei`` is the same as the ``jingxiaowei`` command."""

from jingxiaowei.cli import main

if __name__ == "__main__":
    main()
