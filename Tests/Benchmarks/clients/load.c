// Sends requests to a Unix socket, so many at a time, checks every reply, and tells how long they took.
//
//   load SOCKET REQUEST WANT FRAMING REQUESTS CONNECTIONS DEPTH [PAUSE SECONDS]
//
// In REQUEST, `%i` becomes the number of the request, `%o` a key in order, `%r` a key without order. A reply must hold
// WANT and the `"id"` of a request that is waiting; replies may come in any order. FRAMING is `lines`, or `braces` for
// servers that put nothing between their replies, or `plain` for lines without ids, in order, on one connection. DEPTH
// requests wait on each connection.
//
// With PAUSE, one request at a time is due every PAUSE microseconds, until standard input ends or SECONDS are over. A
// request that could not be sent in time, because the one before had no answer yet, counts from when it was due.
//
// Prints {"requests", "seconds", "p50", "p99", "max"}, latencies in microseconds. Ends with 1 and says why on the first
// wrong reply, and when there is no reply for 30 s.

#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { capacity = 1 << 20, patience = 30000 };

struct connection {
    int socket;
    char *in;
    size_t held, scanned;
    int depth, in_string, escaped;  // of `braces`
    long next;                      // of `plain`: the request whose reply comes next
};

static enum { lines, braces, plain } framing;
static const char *request, *want;
static size_t want_size;
static long requests, sent, answered;
static int connections, depth;
static double *begun;     // when a request was sent; 0 when it is not waiting
static float *latencies;  // microseconds
static struct connection *all;
static char *outgoing;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void wrong(const char *what, const char *reply, size_t size) {
    fprintf(stderr, "load: %s after %ld replies: %.*s\n", what, answered, (int)(size < 400 ? size : 400), reply);
    exit(1);
}

static uint64_t scatter(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static char *fill(char *to, long number) {
    for (const char *from = request; *from; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        switch (*++from) {
        case 'i': to += sprintf(to, "%ld", number); break;
        case 'o': to += sprintf(to, "%016lx", number); break;
        case 'r': to += sprintf(to, "%016llx", (unsigned long long)scatter((uint64_t)number + 1)); break;
        default: exit(64);
        }
    }
    *to++ = '\n';
    return to;
}

static void send_requests(struct connection *on, int number, double due) {
    char *end = outgoing;
    double time = due ? due : now();
    for (int i = 0; i < number && sent < requests; i++) {
        end = fill(end, sent);
        begun[sent++] = time;
    }
    for (char *at = outgoing; at < end;) {
        ssize_t wrote = send(on->socket, at, end - at, MSG_NOSIGNAL);
        if (wrote <= 0) wrong("connection lost", "", 0);
        at += wrote;
    }
}

static void take(struct connection *from, const char *reply, size_t size, double time) {
    long number;
    if (framing == plain) {
        number = from->next++;
    } else {
        const char *id = memmem(reply, size, "\"id\":", 5);
        if (!id) wrong("reply without id", reply, size);
        number = strtol(id + 5, NULL, 10);
    }
    if (number < 0 || number >= sent || begun[number] == 0) wrong("reply to nothing that was asked", reply, size);
    if (!memmem(reply, size, want, want_size)) wrong("wrong reply", reply, size);
    latencies[answered++] = (float)((time - begun[number]) * 1e6);
    begun[number] = 0;
}

// Position after the next whole reply, or nothing.
static char *boundary(struct connection *of, char *start, char *end) {
    char *at = start + of->scanned;
    if (framing != braces) {
        char *stop = memchr(at, '\n', end - at);
        of->scanned = stop ? 0 : (size_t)(end - start);
        return stop ? stop + 1 : NULL;
    }
    for (; at < end; at++) {
        if (of->escaped) of->escaped = 0;
        else if (of->in_string) of->escaped = *at == '\\', of->in_string = *at != '"';
        else if (*at == '"') of->in_string = 1;
        else if (*at == '{') of->depth++;
        else if (*at == '}' && --of->depth == 0) return of->scanned = 0, at + 1;
    }
    of->scanned = end - start;
    return NULL;
}

// Replies that arrived.
static int receive(struct connection *on) {
    ssize_t got = recv(on->socket, on->in + on->held, capacity - on->held, 0);
    if (got <= 0) wrong("connection ended", "", 0);
    double time = now();
    on->held += got;
    int number = 0;
    char *start = on->in, *end = on->in + on->held, *stop;
    for (; (stop = boundary(on, start, end)); start = stop, number++) take(on, start, stop - start, time);
    on->held = end - start;
    if (on->held == capacity) wrong("reply without end", start, on->held);
    memmove(on->in, start, on->held);
    return number;
}

static void dial(struct connection *to, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) exit(64);
    strcpy(address.sun_path, path);
    to->socket = socket(AF_UNIX, SOCK_STREAM, 0);
    if (to->socket < 0 || connect(to->socket, (void *)&address, sizeof address)) {
        perror(path);
        exit(1);
    }
    to->in = malloc(capacity);
}

static void flood(void) {
    int events = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(events, EPOLL_CTL_ADD, all[i].socket, &event);
        send_requests(&all[i], depth, 0);
    }
    while (answered < requests) {
        struct epoll_event ready[64];
        int number = epoll_wait(events, ready, 64, patience);
        if (number <= 0) wrong("no reply", "", 0);
        for (int i = 0; i < number; i++) {
            struct connection *on = ready[i].data.ptr;
            send_requests(on, receive(on), 0);
        }
    }
}

static void pace(double pause, double seconds) {
    struct pollfd input = {.fd = 0, .events = POLLIN}, reply = {.fd = all->socket, .events = POLLIN};
    double due = now(), end = due + seconds;
    while (sent < requests && now() < end && !poll(&input, 1, 0)) {
        double time = now();
        if (time < due) {
            struct timespec rest = {0, (long)((due - time) * 1e9)};
            nanosleep(&rest, NULL);
            time = 0;
        }
        // A late wake-up is ours, a late reply is theirs.
        send_requests(all, 1, time > due ? due : 0);
        if (poll(&reply, 1, patience) <= 0) wrong("no reply", "", 0);
        while (!receive(all)) {}
        due += pause;
    }
}

static int compare(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

int main(int count, char **words) {
    if (count != 8 && count != 10) return 64;
    request = words[2], want = words[3], want_size = strlen(want);
    framing = !strcmp(words[4], "braces") ? braces : !strcmp(words[4], "plain") ? plain : lines;
    requests = atol(words[5]), connections = atoi(words[6]), depth = atoi(words[7]);
    if (requests < 1 || connections < 1 || depth < 1 || (framing == plain && connections > 1)) return 64;
    prctl(PR_SET_TIMERSLACK, 1000UL);
    begun = calloc(requests, sizeof *begun), latencies = malloc(requests * sizeof *latencies);
    all = calloc(connections, sizeof *all), outgoing = malloc(depth * (strlen(request) + 256));
    for (int i = 0; i < connections; i++) dial(&all[i], words[1]);
    double start = now();
    if (count == 10) pace(atof(words[8]) * 1e-6, atof(words[9]));
    else flood();
    double seconds = now() - start;
    if (!answered) return 1;
    qsort(latencies, answered, sizeof *latencies, compare);
    printf(
        "{\"requests\": %ld, \"seconds\": %.6f, \"p50\": %.2f, \"p99\": %.2f, \"max\": %.2f}\n", answered, seconds,
        latencies[answered / 2], latencies[answered * 99 / 100], latencies[answered - 1]);
    return 0;
}
