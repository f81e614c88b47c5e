FROM debian:12
ENV GRUSS="Grüße, 世界 😀"
RUN echo "$GRUSS" # kein Kommentar
CMD ["echo", "ä"]