// Exit statuses that are the monitor's own; any other is the guest's.
//
// Of `mayfly run`, as of env(1) and timeout(1):
#pragma once

constexpr int kStatusTimeout = 124;  // --timeout, as timeout(1)
constexpr int kStatusMonitorFailed = 125;
constexpr int kStatusGuestCrashed = 126;

// Of Firecracker's mode, as Firecracker's:
constexpr int kStatusFailed = 1;    // the monitor, or the guest
constexpr int kStatusHungUp = 129;  // the only client of --api-fd is gone: 128 and SIGHUP
constexpr int kStatusBadConfiguration = 152;
constexpr int kStatusBadArguments = 153;

// Of both:
constexpr int kStatusForbiddenCall = 148;  // a thread made a system call that its filter forbids
constexpr int kStatusSignalBase = 128;     // plus the signal's number, as shells do
