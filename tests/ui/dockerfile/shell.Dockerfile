FROM debian:12
SHELL /bin/bash
SHELL ['a']
SHELL []
