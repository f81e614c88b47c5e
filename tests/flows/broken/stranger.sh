# A server on port 8443 whose certificate nobody vouches for.
set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout /tmp/key -out /tmp/certificate 2> /dev/null
openssl s_server -quiet -www -accept 8443 -key /tmp/key -cert /tmp/certificate > /dev/null 2>&1 &
for _ in 1 2 3 4 5 6 7 8 9 10; do
    if openssl s_client -connect localhost:8443 < /dev/null > /dev/null 2>&1; then exit 0; fi
    sleep 0.3
done
echo 'no server' >&2
exit 1
