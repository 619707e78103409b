// Exit statuses: what each door makes of a VM's end, and of what goes wrong before.
#pragma once

#include "monitor/machine/ending.hpp"
#include "monitor/machine/shape.hpp"
#include "monitor/sandbox/fault_guard.hpp"

// A door's own statuses. Any other is the guest's, or kStatusSignalBase and the number of the
// signal that ended the process; of every door, kStatusForbiddenCall.
struct StatusTable {
    int bad_arguments;
    int bad_configuration;
    int monitor_failed;
    int guest_crashed;
    int output_lost;  // where the guest's own is 0, and a write of its output failed
    int timeout;
    // SIGINT, SIGTERM and SIGQUIT end the process as if they had their default, others as
    // monitor/sandbox/peer_signals.hpp has it.
    bool takes_signals_as_peer = false;
};

// As env(1) and timeout(1).
inline constexpr StatusTable kRunStatuses{.bad_arguments = 125,
                                          .bad_configuration = 125,
                                          .monitor_failed = 125,
                                          .guest_crashed = 126,
                                          .output_lost = 125,
                                          .timeout = 124};

// As Firecracker.
inline constexpr StatusTable kServeStatuses{.bad_arguments = 153,
                                            .bad_configuration = 152,
                                            .monitor_failed = 1,
                                            .guest_crashed = 1,
                                            .output_lost = 0,
                                            .timeout = 1};
constexpr StatusTable as_peer(StatusTable statuses) {
    statuses.takes_signals_as_peer = true;
    return statuses;
}

// The only client of --api-fd is gone: 128 and SIGHUP, by any name, as no signal has come.
inline constexpr int kStatusHungUp = 129;

// A guest that is there for a program and ended without that program's status has failed.
bool is_without_status(const Ending& ending, StdioKind stdio);

// `stdio`: the VM's.
int status_of(const Ending& ending, StdioKind stdio, const StatusTable& statuses);
