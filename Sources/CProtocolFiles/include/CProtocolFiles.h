#pragma once
// The files of protocol/, embedded when the product is built, so that what the gateway answers to rpc.discover is the
// file in the repository, byte for byte.

struct pushgate_protocol_file {
    /// Path below protocol/; null past the end.
    const char *path;
    const unsigned char *bytes;
    long count;
};

int pushgate_protocol_file_count(void);

struct pushgate_protocol_file pushgate_protocol_file(int index);
