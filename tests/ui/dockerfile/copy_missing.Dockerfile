FROM debian:12
COPY README.mf /x
COPY examples/dat/ \
  /x
ADD nowhere.tar.gz /x
COPY *.nothing /x
