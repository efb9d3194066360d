/* The measure for the worker: a plain relay of UDP datagrams between the two legs of each call.
 *
 *   c_relay CALLS < far-end ports (two a call)     prints its own ports, two a call
 *
 * One epoll, one datagram a ready socket, connected sockets with recv and send, nothing looked
 * at, nothing rewritten. Ends when its standard input does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPBACK htonl(INADDR_LOOPBACK)

static void fail(const char *what) {
    perror(what);
    exit(1);
}

int main(int argc, char **argv) {
    int calls = argc > 1 ? atoi(argv[1]) : 1;
    int legs = 2 * calls;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);

    int *sockets = calloc(legs, sizeof *sockets);
    int poller = epoll_create1(0);
    for (int leg = 0; leg < legs; leg++) {
        int far_port, room = 256 * 1024;
        if (scanf("%d", &far_port) != 1) fail("far-end port");
        struct sockaddr_in near = {.sin_family = AF_INET, .sin_addr.s_addr = LOOPBACK};
        struct sockaddr_in far = near;
        socklen_t size = sizeof near;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&near, sizeof near)) fail("bind");
        far.sin_port = htons(far_port);
        if (connect(fd, (struct sockaddr *)&far, sizeof far)) fail("connect");
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        getsockname(fd, (struct sockaddr *)&near, &size);
        printf("%d\n", ntohs(near.sin_port));
        sockets[leg] = fd;
        struct epoll_event want = {.events = EPOLLIN, .data.u32 = leg};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &want)) fail("epoll_ctl");
    }
    fflush(stdout);
    fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
    struct epoll_event want = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, 0, &want)) fail("epoll_ctl");

    struct epoll_event events[256];
    char buffer[2048];
    for (;;) {
        int ready = epoll_wait(poller, events, 256, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int at = 0; at < ready; at++) {
            uint32_t leg = events[at].data.u32;
            if (leg == UINT32_MAX) {
                if (read(0, buffer, sizeof buffer) == 0) return 0;
                continue;
            }
            ssize_t size = recv(sockets[leg], buffer, sizeof buffer, 0);
            if (size > 0 && send(sockets[leg ^ 1], buffer, size, 0) < 0 && errno != ECONNREFUSED)
                perror("send");
        }
    }
}
