// /network-interfaces/ID: a NIC is added or replaced before the start, and gets other limits after
// it. API thread, or main with a configuration file.
#pragma once

#include <string>

#include "monitor/api/controller.hpp"
#include "monitor/api/rate_limits.hpp"

struct NicChange {
    std::string id;
    LimitsChange receive{};
    LimitsChange transmit{};
};

Result<NicConfig> parse_nic(const JsonNode& body);
void write_nic(const NicConfig& nic, JsonWriter& out);
Result<NicChange> parse_nic_change(const JsonNode& body);

Result<HttpResponse> put_nic(const NicConfig& nic, Controller& controller);
Result<HttpResponse> change_nic(const NicChange& change, Controller& controller);
