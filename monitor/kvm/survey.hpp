// What the host's KVM is to Mayfly, asked one by one, for `mayfly doctor`: a start asks for nothing
// and fails at what is missing. Any thread.
#pragma once

#include <cstdint>
#include <vector>

// Each member is asked only where those before it went well.
struct KvmSurvey {
    int open_error = 0;               // of /dev/kvm
    const char* denied_by = nullptr;  // if not its mode: what denies it
    int version = 0;                  // of the API
    // Capabilities by KVM's names, without KVM_CAP_.
    std::vector<const char*> missing{};         // no VM starts without
    std::vector<const char*> slower_without{};  // a VM does with less
    int create_error = 0;                       // of KVM_CREATE_VM
    uint64_t create_us = 0;
};

// The version that Linux has had since 2007, and will have.
inline constexpr int kKvmApiVersion = 12;

// Opens /dev/kvm, and makes one VM that is never run.
KvmSurvey survey_kvm();
