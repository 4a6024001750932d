// Program: the input of a fuzz target as a list of choices, so that a mutation changes one step and
// leaves the others what they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace trv::fuzz {

class Program {
 public:
  Program(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  bool at_end() const { return rest_.empty(); }
  // 0 when nothing is left.
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  // As many as there are. Valid as long as the input.
  ByteView bytes(std::size_t size) {
    const ByteView taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::size_t below(std::size_t count) { return byte() % count; }
  template <class Pool>
  const auto& pick(const Pool& pool) {
    return *(std::begin(pool) + below(std::size(pool)));
  }

 private:
  ByteView rest_;
};

// Runs the input on a Stage that serves many of them and is made anew now and then: making one is
// what takes the time. What fails may do so for what was before it: with TRV_FUZZ_KEEP=FOLDER the
// inputs of the present Stage are in files there, in whose order they may be run again.
template <class Stage, int inputs_per_stage = 2000>
class Stages {
 public:
  void run(const std::uint8_t* data, std::size_t size) {
    if (inputs_++ % inputs_per_stage == 0) {
      stage_.reset();
      stage_ = std::make_unique<Stage>();
    }
    keep(data, size);
    Program program(data, size);
    stage_->run(program);
  }

 private:
  void keep(const std::uint8_t* data, std::size_t size) const {
    static const char* folder = std::getenv("TRV_FUZZ_KEEP");
    if (!folder) return;
    const int place = (inputs_ - 1) % inputs_per_stage;
    std::ofstream(folder + std::string("/") + std::to_string(1'000'000 + place), std::ios::binary)
        .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  }

  std::unique_ptr<Stage> stage_;
  int inputs_ = 0;
};

}  // namespace trv::fuzz
