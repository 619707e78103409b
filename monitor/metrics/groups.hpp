// What the monitor itself counts, by Firecracker's names; devices have groups of their own beside
// their code. Any thread may read. table.cpp lists all of them, and tests/check-metrics finds the
// ones that nobody raises.
#pragma once

#include "base/counter.hpp"

struct ApiServerMetrics {
    Gauge process_startup_time_us;      // since what --start-time-us says
    Gauge process_startup_time_cpu_us;  // since what --start-time-cpu-us says
};

// Requests by method and resource; "fails" are those answered with an error. Of the thread that
// answers them. In the metrics these are three groups: get_, put_ and patch_api_requests.
struct ApiRequestMetrics {
    Counter get_instance_info_count;
    Counter get_machine_cfg_count;
    Counter get_vmm_version_count;

    Counter put_actions_count;
    Counter put_actions_fails;
    Counter put_boot_source_count;
    Counter put_boot_source_fails;
    Counter put_drive_count;
    Counter put_drive_fails;
    Counter put_logger_count;
    Counter put_logger_fails;
    Counter put_machine_cfg_count;
    Counter put_machine_cfg_fails;
    Counter put_metrics_count;
    Counter put_metrics_fails;
    Counter put_network_count;
    Counter put_network_fails;
    Counter put_serial_count;
    Counter put_serial_fails;

    Counter patch_drive_count;
    Counter patch_drive_fails;
    Counter patch_machine_cfg_count;
    Counter patch_machine_cfg_fails;
    Counter patch_network_count;
    Counter patch_network_fails;
};

// How long the latest took, from request to answer.
struct LatencyMetrics {
    Gauge full_create_snapshot;
    Gauge load_snapshot;
    Gauge pause_vm;
    Gauge resume_vm;
};

// The metrics' own lines; of the thread that writes them.
struct MetricsLineMetrics {
    Counter missed_metrics_count;  // lines that were not written; their numbers are in the next
    Counter metrics_fails;         // those that were not for another reason than a slow reader
};

// Exits of all vCPUs to the monitor.
struct VcpuMetrics {
    SharedCounter exit_io_in;
    SharedCounter exit_io_out;
    SharedCounter exit_mmio_read;
    SharedCounter exit_mmio_write;
    SharedCounter failures;  // crashes of the guest
};

// Of the main thread.
struct VmmMetrics {
    Counter panic_count;  // the monitor could not go on
};

// Of the main thread.
struct SeccompMetrics {
    Counter num_faults;  // by Firecracker's name
};

// Of the main thread.
struct SignalMetrics {
    Counter sigbus;  // pages of guest RAM that were lost
    Counter sighup;
    Counter sigill;
    Counter sigsegv;
    Counter sigxcpu;
    Counter sigxfsz;
};
