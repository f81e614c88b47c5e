FROM debian:12
RUNN make
  COPPY a b
BANANA
