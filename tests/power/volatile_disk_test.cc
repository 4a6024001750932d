// Proves that pldisk's disk keeps what was flushed and nothing but what it may of the rest, by what
// a second disk finds in the image after the cut.
#include "volatile_disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <system_error>

#include "commands.h"

namespace trv::power {
namespace {

constexpr std::size_t sector_size = 512;
constexpr std::size_t sector_count = 256;

class VolatileDiskTest : public testing::Test {
 protected:
  VolatileDiskTest() {
    const int fd = ::mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    EXPECT_EQ(::ftruncate(fd, sector_count * sector_size), 0);
    ::close(fd);
  }
  ~VolatileDiskTest() override { ::unlink(path_.c_str()); }

  // One letter for each sector, '.' for zeroes, '?' for a sector that is not of one letter.
  static std::string letters(const VolatileDisk& disk, std::size_t first, std::size_t count) {
    std::string found;
    for (std::size_t sector = first; sector < first + count; ++sector) {
      const std::string_view bytes = disk.read(sector * sector_size, sector_size);
      const bool even = bytes.find_first_not_of(bytes[0]) == std::string_view::npos;
      found += !even ? '?' : bytes[0] == '\0' ? '.' : bytes[0];
    }
    return found;
  }
  static void write(VolatileDisk& disk, std::size_t sector, const std::string& text) {
    std::string bytes;
    for (const char c : text) bytes.append(sector_size, c);
    disk.write(sector * sector_size, bytes);
  }

  std::string path_ = testing::TempDir() + "volatile-disk-XXXXXX";
};

TEST_F(VolatileDiskTest, OnlyWhatWasFlushedSurvivesTheLossOfTheCache) {
  VolatileDisk disk(path_, sector_size);
  write(disk, 0, "aaa");
  disk.flush();
  write(disk, 2, "bb");
  EXPECT_EQ(letters(disk, 0, 5), "aabb.");
  EXPECT_EQ(letters(VolatileDisk(path_, sector_size), 0, 5), ".....")
      << "the image changes at the cut only";
  const CutReport report = disk.cut(Survivors::none, 1);
  EXPECT_EQ(report.pending_writes, 1);
  EXPECT_EQ(report.pending_sectors, 2);
  EXPECT_EQ(report.surviving_sectors, 0);
  EXPECT_EQ(letters(VolatileDisk(path_, sector_size), 0, 5), "aaa..");
}

TEST_F(VolatileDiskTest, AfterTheCutNothingReachesTheImageButReadersSeeIt) {
  VolatileDisk disk(path_, sector_size);
  write(disk, 0, "a");
  disk.cut(Survivors::none, 1);
  write(disk, 1, "b");
  disk.flush();
  EXPECT_EQ(letters(disk, 0, 3), "ab.");
  EXPECT_EQ(letters(VolatileDisk(path_, sector_size), 0, 3), "...");
}

TEST_F(VolatileDiskTest, APartSurvivesSectorBySectorAsTheSeedSays) {
  std::string images[2];
  std::size_t surviving[2] = {};
  for (int run = 0; run < 2; ++run) {
    VolatileDisk disk(path_, sector_size);
    write(disk, 0, std::string(100, 'a'));
    write(disk, 100, std::string(100, 'b'));
    surviving[run] = disk.cut(Survivors::half, 7).surviving_sectors;
    images[run] = letters(VolatileDisk(path_, sector_size), 0, 200);
  }
  EXPECT_EQ(images[0], images[1]);
  EXPECT_EQ(surviving[0], surviving[1]);
  EXPECT_EQ(surviving[0], 200 - std::count(images[0].begin(), images[0].end(), '.'));
  EXPECT_THAT(images[0].find('?'), std::string::npos);
  EXPECT_THAT(surviving[0], testing::AllOf(testing::Gt(60), testing::Lt(140)));
}

TEST_F(VolatileDiskTest, MostOfItSurvives) {
  VolatileDisk disk(path_, sector_size);
  write(disk, 0, std::string(200, 'a'));
  EXPECT_THAT(disk.cut(Survivors::most, 3).surviving_sectors,
              testing::AllOf(testing::Gt(150), testing::Lt(200)));
}

TEST_F(VolatileDiskTest, ATornWriteBreaksOffAndTheOnesBeforeItAreWhole) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    VolatileDisk disk(path_, sector_size);
    write(disk, 0, "..........");
    disk.flush();
    write(disk, 0, "aaaa");
    write(disk, 4, "bbbb");
    const std::size_t kept = disk.cut(Survivors::torn, seed).surviving_sectors;
    ASSERT_THAT(kept, testing::AllOf(testing::Ge(4), testing::Lt(8)));
    EXPECT_EQ(letters(VolatileDisk(path_, sector_size), 0, 9),
              "aaaa" + std::string(kept - 4, 'b') + std::string(9 - kept, '.'));
  }
}

TEST_F(VolatileDiskTest, LargeSectorsAreNeverTorn) {
  VolatileDisk disk(path_, 8 * sector_size);
  EXPECT_FALSE(disk.accepts(sector_size, 8 * sector_size));
  for (std::size_t first = 0; first < sector_count; first += 8) write(disk, first, "aaaaaaaa");
  EXPECT_THAT(disk.cut(Survivors::half, 5).surviving_sectors,
              testing::AllOf(testing::Gt(4), testing::Lt(28)));
  const std::string found = letters(VolatileDisk(path_, sector_size), 0, sector_count);
  for (std::size_t first = 0; first < sector_count; first += 8) {
    EXPECT_THAT(found.substr(first, 8), testing::AnyOf("aaaaaaaa", "........"));
  }
}

TEST_F(VolatileDiskTest, ADiskAtRestLosesNothing) {
  VolatileDisk disk(path_, sector_size);
  write(disk, 0, "a");
  disk.flush();
  EXPECT_EQ(disk.cut(Survivors::torn, 1).pending_writes, 0);
  EXPECT_EQ(letters(VolatileDisk(path_, sector_size), 0, 1), "a");
}

TEST_F(VolatileDiskTest, TakesWholeSectorsWithinTheDisk) {
  const VolatileDisk disk(path_, sector_size);
  EXPECT_TRUE(disk.accepts(0, disk.size()));
  EXPECT_TRUE(disk.accepts(disk.size(), 0));
  EXPECT_FALSE(disk.accepts(1, sector_size));
  EXPECT_FALSE(disk.accepts(0, 1));
  EXPECT_FALSE(disk.accepts(sector_size, disk.size()));
  EXPECT_FALSE(disk.accepts(disk.size() + sector_size, 0));
}

TEST_F(VolatileDiskTest, RefusesAnImageThatIsNone) {
  EXPECT_THROW(VolatileDisk("/nowhere/image", sector_size), std::system_error);
  EXPECT_THROW(VolatileDisk(path_, 0), std::system_error);
  ASSERT_EQ(::truncate(path_.c_str(), 700), 0);
  EXPECT_THROW(VolatileDisk(path_, sector_size), std::system_error);
}

TEST(Commands, AreWhatTheyAre) {
  const Command cut = parse_command("cut flush torn 18446744073709551615");
  EXPECT_EQ(cut.kind, Command::Kind::cut);
  EXPECT_EQ(cut.order.moment, Moment::flush);
  EXPECT_EQ(cut.order.survivors, Survivors::torn);
  EXPECT_EQ(cut.order.seed, 18446744073709551615u);
  EXPECT_EQ(parse_command("release").kind, Command::Kind::release);
  EXPECT_EQ(parse_command("counts").kind, Command::Kind::counts);
  for (const char* line : {"", "cut", "cut now", "cut now half", "cut soon half 1", "cut now all 1",
                           "cut now half x", "flush"}) {
    EXPECT_THROW(parse_command(line), std::runtime_error) << line;
  }
}

}  // namespace
}  // namespace trv::power
