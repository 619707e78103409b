// How far a VM is kept from others of its host by what costs start-up time, memory or throughput:
// `--kernel-pages`, `--core-scheduling` and `--ssbd`. Main thread.
#pragma once

#include <optional>

#include "base/options.hpp"
#include "base/result.hpp"
#include "monitor/machine/host.hpp"
#include "monitor/process/jail_option.hpp"

// What the flags say, or else the safe way for a VM in a jail, and the cheap way for another.
// Errors: of a flag, with its value.
Result<Tenancy> parse_tenancy(const Options& options, const std::optional<Jail>& jail);

// Whether this process is in a jail, or will be: its own, or that of who started it under
// no_new_privs, as mayfly-jailer does. Before the process sets that itself.
bool is_for_a_jail(const std::optional<Jail>& jail);

// What concerns the process as a whole. Before filters. Errors: as keep_cores_apart().
Result<> keep_apart(const Tenancy& tenancy);
