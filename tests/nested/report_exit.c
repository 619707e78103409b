/* Ends the guest with a status: writes the 32-bit value of its argument to the monitor's exit port,
 * which busybox cannot do (devmem does memory only, /dev/port bytes only). */
#include <sys/io.h>

#include <stdio.h>
#include <stdlib.h>

enum { kExitPort = 0xf4 };

int main(int argc, char** argv) {
    if (argc != 2) {
        fputs("usage: report_exit VALUE\n", stderr);
        return 2;
    }
    if (ioperm(kExitPort, 4, 1) != 0) {
        perror("report_exit: ioperm");
        return 1;
    }
    outl((unsigned)strtoul(argv[1], NULL, 0), kExitPort);
    fputs("report_exit: still running after the write\n", stderr);
    return 1;
}
