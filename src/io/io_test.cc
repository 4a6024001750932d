// Proves that the three file systems keep the contract of io/file.h; that the one in memory forgets
// exactly what it may; and that faults strike where they are told to.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <thread>

#include "io/buffer_pool.h"
#include "io/claim.h"
#include "io/faulty.h"
#include "io/memory.h"
#include "io/posix.h"

namespace trv::io {
namespace {

Status write(File& file, std::uint64_t position, std::string_view bytes) {
  return file.write_at(position, std::span(&bytes, 1));
}

std::string read(File& file, std::uint64_t position, std::size_t size) {
  std::string bytes(size, '?');
  Status s = file.read_at(position, bytes);
  return s.ok() ? bytes : "error: " + s.error().message;
}

// Both real and in memory must behave alike.
class AnyDirectory : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      directory_ = std::make_unique<MemoryDirectory>();
      return;
    }
    char path[] = "/tmp/trivium-io-test-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    path_ = path;
    auto opened = open_posix_directory(path_ + "/a/b");
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    directory_ = std::move(*opened);
  }
  void TearDown() override {
    directory_.reset();
    if (!path_.empty()) std::filesystem::remove_all(path_);
  }
  std::unique_ptr<File> open(const std::string& name, OpenMode mode) {
    auto file = directory_->open(name, mode);
    TRV_ASSERT(file.ok());
    return std::move(*file);
  }

  std::string path_;
  std::unique_ptr<Directory> directory_;
};

// What was just written is in memory.
TEST_P(AnyDirectory, ReadsWithoutWaiting) {
  auto file = open("f", OpenMode::create);
  ASSERT_TRUE(write(*file, 0, "abcdef").ok());
  std::string bytes(3, '?');
  EXPECT_TRUE(file->try_read_at(2, bytes).value());
  EXPECT_EQ(bytes, "cde");
  EXPECT_EQ(file->try_read_at(5, bytes).error().code, Errc::out_of_range);
}

TEST_P(AnyDirectory, OpenModes) {
  EXPECT_EQ(directory_->open("f", OpenMode::read).error().code, Errc::not_found);
  EXPECT_EQ(directory_->open("f", OpenMode::read_write).error().code, Errc::not_found);
  open("f", OpenMode::create);
  EXPECT_EQ(directory_->open("f", OpenMode::create).error().code, Errc::already_exists);
  EXPECT_FALSE(write(*open("f", OpenMode::read), 0, "x").ok());
}

TEST_P(AnyDirectory, WritesManyPartsAndReadsThem) {
  auto file = open("f", OpenMode::create);
  std::vector<std::string> kept;
  std::string all;
  for (int i = 0; i < 1000; ++i) {
    kept.push_back(i % 5 == 0 ? "" : std::to_string(i));
    all += kept.back();
  }
  std::vector<std::string_view> parts(kept.begin(), kept.end());
  ASSERT_TRUE(file->write_at(10, parts).ok());
  EXPECT_EQ(file->size().value(), all.size() + 10);
  EXPECT_EQ(read(*file, 10, all.size()), all);
  EXPECT_EQ(read(*file, 0, 10), std::string(10, '\0'));
  std::string beyond(all.size() + 11, ' ');
  EXPECT_EQ(file->read_at(0, beyond).error().code, Errc::out_of_range);
  EXPECT_TRUE(file->write_at(0, {}).ok());
}

TEST_P(AnyDirectory, AllocateGrowsAndKeepsContents) {
  auto file = open("f", OpenMode::create);
  ASSERT_TRUE(write(*file, 0, "abc").ok());
  ASSERT_TRUE(file->allocate(8192).ok());
  EXPECT_EQ(file->size().value(), 8192u);
  EXPECT_EQ(read(*file, 0, 4), std::string("abc\0", 4));
  ASSERT_TRUE(file->allocate(4096).ok());
  EXPECT_EQ(file->size().value(), 8192u);
  ASSERT_TRUE(file->truncate(2).ok());
  EXPECT_EQ(file->size().value(), 2u);
  EXPECT_TRUE(file->sync().ok());
}

TEST_P(AnyDirectory, RenameRemoveListAndSubdirectory) {
  ASSERT_TRUE(write(*open("a", OpenMode::create), 0, "from a").ok());
  open("b", OpenMode::create);
  ASSERT_TRUE(directory_->rename("a", "b").ok());
  EXPECT_EQ(directory_->list().value(), std::vector<std::string>{"b"});
  EXPECT_EQ(read(*open("b", OpenMode::read), 0, 6), "from a");
  EXPECT_EQ(directory_->rename("a", "c").error().code, Errc::not_found);
  EXPECT_TRUE(directory_->remove("b").ok());
  EXPECT_EQ(directory_->remove("b").error().code, Errc::not_found);
  auto child = directory_->subdirectory("child");
  ASSERT_TRUE(child.ok());
  ASSERT_TRUE((*child)->open("inner", OpenMode::create).ok());
  auto again = directory_->subdirectory("child");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)->list().value(), std::vector<std::string>{"inner"});
  EXPECT_TRUE(directory_->sync().ok());
  EXPECT_GT(directory_->space().value().free, 0u);
}

TEST_P(AnyDirectory, OneLockHolder) {
  auto lock = directory_->lock("LOCK");
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(directory_->lock("LOCK").error().code, Errc::in_use);
  lock->reset();
  EXPECT_TRUE(directory_->lock("LOCK").ok());
}

INSTANTIATE_TEST_SUITE_P(Io, AnyDirectory, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "memory" : "posix"; });

TEST_P(AnyDirectory, NextDataPassesOverWhatWasNeverWritten) {
  auto file = open("f", OpenMode::create);
  ASSERT_TRUE(file->allocate(1u << 20).ok());
  EXPECT_EQ(file->next_data(0).value().begin, 1u << 20);
  ASSERT_TRUE(write(*file, 500'000, "x").ok());
  // A hint: never without the data, and without most of the hole.
  for (std::uint64_t from : {0u, 500'000u}) {
    Stretch data = file->next_data(from).value();
    EXPECT_LE(data.begin, 500'000u);
    EXPECT_GE(data.begin, 400'000u);
    EXPECT_GT(data.end, 500'000u);
    EXPECT_LT(data.end, 600'000u);
  }
  EXPECT_EQ(file->next_data(700'000).value().begin, 1u << 20);
}

TEST(Posix, RefusesWhatIsNoDirectory) {
  EXPECT_FALSE(open_posix_directory("/dev/null").ok());
  EXPECT_FALSE(open_posix_directory("/dev/null/x").ok());
  EXPECT_EQ(open_posix_directory("").error().code, Errc::invalid_argument);
}

TEST(Posix, AFullDeviceSaysNoSpace) {
  auto dev = open_posix_directory("/dev");
  ASSERT_TRUE(dev.ok());
  auto full = (*dev)->open("full", OpenMode::read_write);
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(write(**full, 0, "x").error().code, Errc::no_space);
}

TEST(Memory, PowerLossForgetsWhatWasNotSynced) {
  MemoryDirectory disk;
  auto kept = disk.open("kept", OpenMode::create).value();
  auto unnamed = disk.open("gone", OpenMode::create).value();
  ASSERT_TRUE(write(*kept, 0, "synced").ok());
  ASSERT_TRUE(kept->sync().ok());
  ASSERT_TRUE(disk.remove("gone").ok());
  ASSERT_TRUE(disk.sync().ok());
  auto late = disk.open("late", OpenMode::create).value();
  ASSERT_TRUE(late->sync().ok());  // the file, not its name
  ASSERT_TRUE(write(*kept, 0, "SYNCED and more").ok());
  disk.crash({});
  EXPECT_EQ(disk.list().value(), std::vector<std::string>{"kept"});
  EXPECT_EQ(disk.contents("kept"), "synced");
  EXPECT_EQ(write(*kept, 0, "x").error().code, Errc::io_error);
  EXPECT_EQ(kept->sync().error().code, Errc::io_error);
}

TEST(Memory, AForgottenRemoveOrRenameBringsTheNameBack) {
  MemoryDirectory disk;
  disk.open("a", OpenMode::create).value();
  disk.open("b", OpenMode::create).value();
  ASSERT_TRUE(disk.sync().ok());
  ASSERT_TRUE(disk.remove("a").ok());
  ASSERT_TRUE(disk.rename("b", "c").ok());
  disk.crash({});
  EXPECT_EQ(disk.list().value(), (std::vector<std::string>{"a", "b"}));
}

TEST(Memory, AKillKeepsEverythingButMakesNothingDurable) {
  MemoryDirectory disk;
  ASSERT_TRUE(write(*disk.open("a", OpenMode::create).value(), 3, "x").ok());
  disk.crash({CrashOptions::Unsynced::kept, 0});
  EXPECT_EQ(disk.contents("a"), std::string("\0\0\0x", 4));
  disk.crash({});
  EXPECT_TRUE(disk.list().value().empty());
}

TEST(Memory, PartialLossKeepsWholeSectorsAndIsTheSameForASeed) {
  int mixed = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    std::string first;
    for (int repeat = 0; repeat < 2; ++repeat) {
      MemoryDirectory disk;
      auto file = disk.open("f", OpenMode::create).value();
      ASSERT_TRUE(write(*file, 0, std::string(4096, 'o')).ok());
      ASSERT_TRUE(file->sync().ok());
      ASSERT_TRUE(disk.sync().ok());
      ASSERT_TRUE(write(*file, 0, std::string(4096, 'n')).ok());
      disk.crash({CrashOptions::Unsynced::part, seed});
      std::string after = disk.contents("f");
      ASSERT_EQ(after.size(), 4096u);
      for (std::size_t s = 0; s < 4096; s += 512) {
        ASSERT_EQ(after.substr(s, 512), std::string(512, after[s]));
      }
      if (repeat == 0) first = after;
      EXPECT_EQ(after, first);
    }
    mixed += first.find('o') != std::string::npos && first.find('n') != std::string::npos;
  }
  EXPECT_GT(mixed, 40);
}

TEST(Memory, CapacityIsSharedByAllFiles) {
  MemoryDirectory disk;
  disk.set_capacity(1000);
  auto a = disk.open("a", OpenMode::create).value();
  auto b = disk.open("b", OpenMode::create).value();
  ASSERT_TRUE(a->allocate(600).ok());
  EXPECT_EQ(b->allocate(600).error().code, Errc::no_space);
  EXPECT_EQ(disk.space().value().free, 400u);
  ASSERT_TRUE(disk.remove("a").ok());
  EXPECT_TRUE(b->allocate(600).ok());
  EXPECT_TRUE(write(*b, 0, "inside").ok());
}

TEST(Faulty, StrikesTheNthOfAKindOnce) {
  MemoryDirectory disk;
  FaultyDirectory faulty(disk);
  auto file = faulty.open("f", OpenMode::create).value();
  faulty.arm({Operation::write, 1, Errc::no_space, 2, false});
  EXPECT_TRUE(write(*file, 0, "abcd").ok());
  EXPECT_FALSE(faulty.struck());
  EXPECT_EQ(write(*file, 0, "EFGH").error().code, Errc::no_space);
  EXPECT_TRUE(faulty.struck());
  EXPECT_EQ(disk.contents("f"), "EFcd");
  EXPECT_TRUE(write(*file, 0, "ijkl").ok());
  EXPECT_EQ(faulty.count(Operation::write), 3u);
}

TEST(Faulty, CountsSyncsAfterAFailedOne) {
  MemoryDirectory disk;
  FaultyDirectory faulty(disk);
  auto file = faulty.open("f", OpenMode::create).value();
  faulty.arm({Operation::sync, 0, Errc::io_error, 0, false});
  EXPECT_FALSE(file->sync().ok());
  EXPECT_EQ(faulty.syncs_after_failure(), 0u);
  EXPECT_TRUE(file->sync().ok());
  EXPECT_EQ(faulty.syncs_after_failure(), 1u);
}

TEST(BufferPool, UsesABufferAgainOnceItsLastShareIsGone) {
  BufferPool pool(4096, 1);
  std::shared_ptr<char> first = pool.get(4096);
  char* address = first.get();
  std::shared_ptr<char> share = first;
  first.reset();
  EXPECT_NE(pool.get(4096).get(), address);
  share.reset();  // the pool has kept the other one, and keeps no second
  pool.get(4096);
  EXPECT_NE(pool.get(100).get(), nullptr);
}

TEST(Claim, OneTakerAndAWaiter) {
  for (int i = 0; i < 200; ++i) {
    Claim claim;
    int result = 0;
    auto work = [&] {
      if (!claim.try_take()) return;
      result = 42;
      claim.finish();
    };
    std::thread other(work);
    work();
    claim.wait();
    EXPECT_EQ(result, 42);
    other.join();
  }
}

TEST(MemoryDirectory, WhatItForgetsHasToBeWaitedFor) {
  MemoryDirectory directory;
  auto opened = directory.open("f", OpenMode::create);
  ASSERT_TRUE(opened.ok());
  File* file = opened->get();
  ASSERT_TRUE(write(*file, 0, std::string(10'000, 'a')).ok());
  directory.forget_what_was_read();
  std::string bytes(100, '?');
  EXPECT_FALSE(file->try_read_at(4050, bytes).value());
  EXPECT_EQ(read(*file, 4000, 10), std::string(10, 'a'));
  EXPECT_TRUE(file->try_read_at(0, bytes).value());
  EXPECT_EQ(bytes, std::string(100, 'a'));
  EXPECT_FALSE(file->try_read_at(4050, bytes).value()) << "it reaches into the next block";
  ASSERT_TRUE(write(*file, 8192, "b").ok());
  EXPECT_TRUE(file->try_read_at(8192, bytes).value());
  directory.forget_what_was_read();
  EXPECT_FALSE(file->try_read_at(0, bytes).value());
}

TEST(FaultyDirectory, ReadsThatDoNotWaitFailToo) {
  MemoryDirectory memory;
  FaultyDirectory directory(memory);
  auto opened = directory.open("f", OpenMode::create);
  ASSERT_TRUE(opened.ok());
  File* file = opened->get();
  ASSERT_TRUE(write(*file, 0, "abc").ok());
  directory.arm({Operation::try_read});
  std::string bytes(3, '?');
  EXPECT_EQ(file->try_read_at(0, bytes).error().code, Errc::io_error);
  EXPECT_TRUE(file->try_read_at(0, bytes).value());
}

}  // namespace
}  // namespace trv::io
