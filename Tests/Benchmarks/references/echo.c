// The least that a server of lines can do: one thread, epoll, whole lines copied from one buffer to another,
// one write a read. Nothing is parsed. It is the floor of what the kernel costs.
//
//   echo SOCKET            answers each line with itself
//   echo SOCKET FILE       answers each line with the contents of FILE, line by line as the socket takes them

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { capacity = 1 << 18, descriptors = 2048 };

struct peer {
    char in[capacity], out[capacity];
    size_t held, queued;
    size_t replayed;  // bytes of the file already sent to this peer
    int replays;
};

static struct peer *peers[descriptors];
static char *file;
static size_t file_size;
static int events;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int socket, int operation, uint32_t wanted) {
    struct epoll_event event = {.events = wanted, .data.fd = socket};
    if (epoll_ctl(events, operation, socket, &event)) fail("epoll_ctl");
}

static void drop(int socket) {
    free(peers[socket]);
    peers[socket] = NULL;
    close(socket);
}

// Sends what is queued; false when the peer is gone.
static int flush(int socket, struct peer *peer) {
    while (peer->queued) {
        ssize_t sent = send(socket, peer->out, peer->queued, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN;
        memmove(peer->out, peer->out + sent, peer->queued - sent);
        peer->queued -= sent;
    }
    while (peer->replays && peer->replayed < file_size) {
        size_t piece = file_size - peer->replayed < 65536 ? file_size - peer->replayed : 65536;
        memcpy(peer->out, file + peer->replayed, piece);
        ssize_t sent = send(socket, peer->out, piece, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN;
        peer->replayed += sent;
    }
    return 1;
}

static int serve(int socket, struct peer *peer) {
    ssize_t got = recv(socket, peer->in + peer->held, capacity - peer->held, 0);
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return 0;
    peer->held += got;
    char *start = peer->in, *end = peer->in + peer->held, *stop;
    while ((stop = memchr(start, '\n', end - start))) {
        size_t length = stop + 1 - start;
        if (file) {
            peer->replays = 1;
        } else {
            if (peer->queued + length > capacity) return 0;
            memcpy(peer->out + peer->queued, start, length);
            peer->queued += length;
        }
        start = stop + 1;
    }
    peer->held = end - start;
    memmove(peer->in, start, peer->held);
    return flush(socket, peer);
}

static void load(const char *path) {
    int source = open(path, O_RDONLY);
    struct stat facts;
    if (source < 0 || fstat(source, &facts)) fail(path);
    file = malloc(facts.st_size);
    while (file_size < (size_t)facts.st_size) {
        ssize_t got = read(source, file + file_size, facts.st_size - file_size);
        if (got <= 0) fail(path);
        file_size += got;
    }
    close(source);
}

int main(int count, char **words) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (count < 2 || strlen(words[1]) >= sizeof address.sun_path) return 64;
    strcpy(address.sun_path, words[1]);
    if (count > 2) load(words[2]);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (void *)&address, sizeof address) || listen(listener, 512)) fail(words[1]);
    if ((events = epoll_create1(0)) < 0) fail("epoll_create1");
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        struct epoll_event ready[256];
        int number = epoll_wait(events, ready, 256, -1);
        for (int i = 0; i < number; i++) {
            int socket = ready[i].data.fd;
            if (socket == listener) {
                int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (accepted < 0) continue;
                if (accepted >= descriptors || !(peers[accepted] = calloc(1, sizeof(struct peer)))) {
                    close(accepted);
                    continue;
                }
                // Edge-triggered for writing, so that a socket with room is not reported over and over.
                watch(accepted, EPOLL_CTL_ADD, file ? EPOLLIN | EPOLLOUT | EPOLLET : EPOLLIN);
                continue;
            }
            struct peer *peer = peers[socket];
            if (!peer) continue;
            int has_input = ready[i].events & ~EPOLLOUT;
            if ((has_input && !serve(socket, peer)) || !flush(socket, peer)) drop(socket);
        }
    }
}
