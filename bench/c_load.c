/* Callers and agents of CALLS calls: each leg sends 20 ms of G.711 every 20 ms, at a phase of
 * its own, and takes what the relay sends it.
 *
 *   c_load CALLS WARM_UP_MS MEASURED_MS
 *
 * Prints its ports (two a call), reads the relay's from standard input, sends, prints "begin"
 * and "end" around the measured time, then one line:
 *   total sent received gap_us_p50 gap_us_p99 gap_us_p9999 gap_us_max delay_us_p50 delay_us_p99
 * total counts every packet sent, sent and received those of the measured time; a gap is the time between two
 * packets at the same leg, a delay that from send to arrival, both by the kernel's receive time
 * stamp, so that it does not matter when this program reads.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_NS 20000000LL
#define READ_NS 2000000LL
#define BUCKET_US 10
#define BUCKETS 200000 /* up to two seconds */
#define PACKET 172

static uint32_t gaps[BUCKETS], delays[BUCKETS];
static uint64_t gap_count, delay_count;
static long gap_max;

struct leg {
    int fd;
    int64_t due;      /* when to send the next packet */
    int64_t last;     /* arrival of the last packet */
    uint32_t number;  /* packets sent */
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t wall(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void count(uint32_t *buckets, int64_t ns) {
    int64_t bucket = ns / 1000 / BUCKET_US;
    if (bucket < 0) bucket = 0;
    buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static long percentile(const uint32_t *buckets, uint64_t total, double share) {
    uint64_t wanted = total * share, seen = 0;
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        seen += buckets[bucket];
        if (seen > wanted) return (long)bucket * BUCKET_US;
    }
    return 0;
}

static int by_due(const void *a, const void *b) {
    int64_t left = ((const struct leg *)a)->due, right = ((const struct leg *)b)->due;
    return (left > right) - (left < right);
}

/* Read whatever came; count packets that were sent within [from, to). */
static uint64_t take(int poller, struct leg *legs, int64_t from, int64_t to) {
    struct epoll_event events[256];
    uint64_t counted = 0;
    int ready;
    while ((ready = epoll_wait(poller, events, 256, 0)) > 0) {
        for (int at = 0; at < ready; at++) {
            struct leg *leg = &legs[events[at].data.u32];
            char buffer[2048], control[128];
            struct iovec part = {buffer, sizeof buffer};
            struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                                     .msg_controllen = sizeof control};
            ssize_t size = recvmsg(leg->fd, &message, 0);
            struct cmsghdr *stamp = size < PACKET ? NULL : CMSG_FIRSTHDR(&message);
            if (!stamp || stamp->cmsg_type != SCM_TIMESTAMPNS) continue;
            struct timespec when;
            int64_t sent, arrived;
            memcpy(&when, CMSG_DATA(stamp), sizeof when);
            memcpy(&sent, buffer + 12, sizeof sent);
            arrived = when.tv_sec * 1000000000LL + when.tv_nsec;
            if (sent >= from && sent < to) {
                counted++;
                count(delays, arrived - sent);
                delay_count++;
                if (leg->last >= from) {
                    int64_t gap = arrived - leg->last;
                    count(gaps, gap);
                    gap_count++;
                    if (gap / 1000 > gap_max) gap_max = gap / 1000;
                }
            }
            leg->last = arrived;
        }
    }
    return counted;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    int calls = atoi(argv[1]), count_legs = 2 * calls, poller = epoll_create1(0);
    int64_t warm_up = atoll(argv[2]) * 1000000, measured = atoll(argv[3]) * 1000000;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    prctl(PR_SET_TIMERSLACK, 1);

    struct leg *legs = calloc(count_legs, sizeof *legs);
    for (int at = 0; at < count_legs; at++) {
        int on = 1, room = 1 << 20;
        struct sockaddr_in near = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof near;
        legs[at].fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (legs[at].fd < 0 || bind(legs[at].fd, (struct sockaddr *)&near, size)) fail("bind");
        setsockopt(legs[at].fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        setsockopt(legs[at].fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        getsockname(legs[at].fd, (struct sockaddr *)&near, &size);
        printf("%d\n", ntohs(near.sin_port));
    }
    fflush(stdout);
    srandom(7);
    for (int at = 0; at < count_legs; at++) {
        int port;
        if (scanf("%d", &port) != 1) fail("relay port");
        struct sockaddr_in far = {.sin_family = AF_INET, .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        if (connect(legs[at].fd, (struct sockaddr *)&far, sizeof far)) fail("connect");
    }
    int64_t start = wall() + 50000000, from = start + warm_up, to = from + measured;
    for (int at = 0; at < count_legs; at++) legs[at].due = start + random() % FRAME_NS;
    qsort(legs, count_legs, sizeof *legs, by_due);
    for (int at = 0; at < count_legs; at++) {
        struct epoll_event want = {.events = EPOLLIN, .data.u32 = at};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, legs[at].fd, &want)) fail("epoll_ctl");
    }

    uint64_t total = 0, sent = 0, received = 0;
    int64_t read_at = start;
    int said_begin = 0;
    uint8_t packet[PACKET] = {0x80, 0};
    memset(packet + 20, 0x55, PACKET - 20);
    for (int next = 0;; next = (next + 1) % count_legs) {
        struct leg *leg = &legs[next];
        int64_t now = wall();
        if (now >= read_at) {
            received += take(poller, legs, from, to);
            read_at = now + READ_NS;
            now = wall();
        }
        while (now < leg->due) {
            struct timespec until = {leg->due / 1000000000LL, leg->due % 1000000000LL};
            clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
            now = wall();
        }
        if (!said_begin && now >= from) {
            said_begin = 1;
            puts("begin");
            fflush(stdout);
        }
        if (now >= to) break;
        uint16_t sequence = htons((uint16_t)leg->number);
        uint32_t timestamp = htonl(leg->number * 160), ssrc = htonl(next + 1);
        memcpy(packet + 2, &sequence, 2);
        memcpy(packet + 4, &timestamp, 4);
        memcpy(packet + 8, &ssrc, 4);
        memcpy(packet + 12, &now, 8);
        if (send(leg->fd, packet, PACKET, 0) == PACKET) {
            total++;
            sent += now >= from;
        }
        leg->number++;
        leg->due += FRAME_NS;
    }
    puts("end");
    fflush(stdout);
    for (int wait = 0; wait < 30; wait++) {
        usleep(10000);
        received += take(poller, legs, from, to);
    }
    printf("%lu %lu %lu %ld %ld %ld %ld %ld %ld\n", total, sent, received, percentile(gaps, gap_count, .5),
           percentile(gaps, gap_count, .99), percentile(gaps, gap_count, .9999), gap_max,
           percentile(delays, delay_count, .5), percentile(delays, delay_count, .99));
    return 0;
}
