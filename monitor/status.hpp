// Exit statuses of `mayfly run` that are the monitor's own; any other is the guest's.
#pragma once

constexpr int kStatusTimeout = 124;  // --timeout, as timeout(1)
constexpr int kStatusMonitorFailed = 125;
constexpr int kStatusGuestCrashed = 126;
constexpr int kStatusForbiddenCall = 148;  // a thread made a system call that its filter forbids
constexpr int kStatusSignalBase = 128;     // plus the signal's number, as shells do
