// Reads events on many connections at once.
//
//   fan SOCKET CONNECTIONS EVENTS SUBSCRIBE MARK
//
// Each connection sends the line SUBSCRIBE and reads until it has EVENTS lines that hold MARK. What follows
// `"cursor":` in them must be the same on every connection, in the same order, and nothing may come twice in a row:
// that is one log, seen by all.
//
// Prints {"seconds", "delivered", "bytes"}, from the first line sent to the last event received. Ends with 1 when a
// connection has seen something else, or not everything after 120 s.

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { capacity = 1 << 18, patience = 120, cursor_size = 128 };

struct reader {
    int socket;
    long seen;
    uint64_t digest;
    char last[cursor_size];
    size_t held;
    char in[capacity];
};

static long wanted, finished, delivered, bytes;
static const char *mark;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void wrong(const char *what, const char *line, size_t size) {
    fprintf(stderr, "fan: %s: %.*s\n", what, (int)(size < 400 ? size : 400), line);
    exit(1);
}

static void take(struct reader *by, const char *line, size_t size) {
    const char *head = memmem(line, size < 160 ? size : 160, mark, strlen(mark));
    if (!head) {
        if (memmem(line, size, "\"error\":", 8)) wrong("refused", line, size);
        return;
    }
    const char *cursor = memmem(line, size, "\"cursor\":\"", 10);
    const char *end = cursor ? memchr(cursor + 10, '"', line + size - cursor - 10) : NULL;
    if (!end || end - cursor - 10 >= cursor_size) wrong("event without cursor", line, size);
    size_t length = end - cursor - 10;
    if (!strncmp(by->last, cursor + 10, length) && !by->last[length]) wrong("event twice", line, size);
    memcpy(by->last, cursor + 10, length);
    by->last[length] = 0;
    for (size_t i = 0; i < length; i++) by->digest = (by->digest ^ (unsigned char)by->last[i]) * 0x100000001b3u;
    delivered++;
    if (++by->seen == wanted) finished++;
    if (by->seen > wanted) wrong("more events than there are", line, size);
}

static void receive(struct reader *by) {
    ssize_t got = recv(by->socket, by->in + by->held, capacity - by->held, 0);
    if (got <= 0) wrong("connection ended", "", 0);
    bytes += got;
    by->held += got;
    char *start = by->in, *end = by->in + by->held, *stop;
    for (; (stop = memchr(start, '\n', end - start)); start = stop + 1) take(by, start, stop - start);
    by->held = end - start;
    if (by->held == capacity) wrong("line without end", start, by->held);
    memmove(by->in, start, by->held);
}

int main(int count, char **words) {
    if (count != 6) return 64;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int connections = atoi(words[2]), events = epoll_create1(0);
    if (connections < 1 || strlen(words[1]) >= sizeof address.sun_path) return 64;
    strcpy(address.sun_path, words[1]);
    wanted = atol(words[3]), mark = words[5];
    struct reader *readers = calloc(connections, sizeof *readers);
    for (int i = 0; i < connections; i++) {
        readers[i].socket = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(readers[i].socket, (void *)&address, sizeof address)) return perror(words[1]), 1;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &readers[i]};
        epoll_ctl(events, EPOLL_CTL_ADD, readers[i].socket, &event);
    }
    double start = now();
    for (int i = 0; i < connections; i++)
        if (dprintf(readers[i].socket, "%s\n", words[4]) < 0) return perror("write"), 1;
    while (finished < connections) {
        struct epoll_event ready[64];
        int number = epoll_wait(events, ready, 64, 1000);
        // Heartbeats are no progress: the whole has an end.
        if (now() - start > patience) {
            long all = wanted * connections;
            fprintf(stderr, "fan: after %d s only %ld of %ld events have arrived\n", patience, delivered, all);
            return 1;
        }
        for (int i = 0; i < number; i++) receive(ready[i].data.ptr);
    }
    double seconds = now() - start;
    for (int i = 1; i < connections; i++)
        if (readers[i].digest != readers[0].digest) wrong("two subscribers saw different logs", "", 0);
    printf("{\"seconds\": %.6f, \"delivered\": %ld, \"bytes\": %ld}\n", seconds, delivered, bytes);
    return 0;
}
