// /logger: where the process's own log goes, and what is in it. API thread, or main with a
// configuration file.
#pragma once

#include "monitor/api/controller.hpp"
#include "monitor/api/fields.hpp"

inline constexpr Words<LogLevel, 7> kLevels{"is none of Off, Error, Warning, Info, Debug and Trace",
                                            {{{"Off", LogLevel::kOff},
                                              {"Error", LogLevel::kError},
                                              {"Warning", LogLevel::kWarning},
                                              {"Warn", LogLevel::kWarning},
                                              {"Info", LogLevel::kInfo},
                                              {"Debug", LogLevel::kDebug},
                                              {"Trace", LogLevel::kTrace}}},
                                            LetterCase::kIgnored};

Result<LoggerConfig> parse_logger(const JsonNode& body);
void write_logger(const LoggerConfig& logger, JsonWriter& out);

Result<HttpResponse> put_logger(const LoggerConfig& logger, Controller& controller);
