# syntax=docker/dockerfile:1
FROM debian:bookworm-slim
RUN <<ONE cat > /one && <<TWO cat > /two
COPY not an instruction
ONE
FROM neither
TWO
RUN <<-'E'
	echo $HOME \
	RUNN is text
	E
COPY <<one <<two /etc/app/
first: 1
one
RUNN second
two
RUN <<EOT bash -e
for i in 1 2 3; do
  echo "$i"
done
EOT
RUN cat <<EOF > /f
USERR
EOF
RUN python3 - 3<<"A" \
    && cat /dev/fd/3
print("<<A")
A
CMD ["/bin/true"]
