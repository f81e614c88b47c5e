RUN make
CMD ["a"]
