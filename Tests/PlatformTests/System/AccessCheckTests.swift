// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Platform

struct AccessCheckTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("log", "x")
    }

    private func status(_ permissions: UInt32) throws -> FileStatus {
        var status = try FileSystem.status(folder("log"))
        status.permissions = permissions
        status.userID = 500
        status.groupID = 600
        return status
    }

    private func account(_ user: UInt32, _ groups: Set<UInt32>) -> Account {
        Account(name: "idp", userID: user, groupIDs: groups)
    }

    private func reads(
        _ permissions: UInt32, _ account: Account, _ list: [UInt8] = []
    ) throws -> Bool {
        AccessCheck.allows(.read, try status(permissions), list, account)
    }

    /// An access control list as the kernel keeps it: kind, rights and number of each line.
    private func list(_ entries: [(UInt8, UInt8, UInt32)]) -> [UInt8] {
        entries.reduce([2, 0, 0, 0]) { bytes, entry in
            bytes + [entry.0, 0, entry.1, 0]
                + (0..<4).map { UInt8(truncatingIfNeeded: entry.2 >> (8 * $0)) }
        }
    }

    @Test func theFirstClassThatFitsDecides() throws {
        #expect(try reads(0o400, account(500, [])))
        #expect(try reads(0o040, account(1, [600])))
        #expect(try reads(0o004, account(1, [1])))
        // An owner without the right is refused even where everybody else has it.
        #expect(try !reads(0o044, account(500, [600])))
        #expect(try !reads(0o404, account(1, [600])))
        #expect(try !reads(0o440, account(1, [1])))
    }

    @Test func aListAddsUsersAndGroupsAndItsMaskTakesAway() throws {
        let none = UInt32.max
        let base: [(UInt8, UInt8, UInt32)] = [(1, 6, none), (4, 0, none), (32, 0, none)]
        let user = list(base + [(2, 4, 7), (16, 4, none)])
        #expect(try reads(0o640, account(7, []), user))
        #expect(try !reads(0o640, account(8, []), user))
        // The bits of the group are the mask here, and the group itself has nothing.
        #expect(try !reads(0o640, account(8, [600]), user))
        #expect(try !reads(0o640, account(7, []), list(base + [(2, 4, 7), (16, 0, none)])))
        #expect(try reads(0o640, account(8, [9]), list(base + [(8, 4, 9), (16, 4, none)])))
        // What is no list of version 2 counts as none.
        #expect(try reads(0o640, account(8, [600]), [3, 0, 0, 0]))
        #expect(try reads(0o640, account(8, [600]), [2, 0]))
    }

    @Test func rootAndWhoeverReadsAllIsNeverInTheWay() throws {
        try FileSystem.setPermissions(folder("log"), 0o000)
        let all = Account(name: "idp", userID: 70_000, groupIDs: [], readsAll: true)
        #expect(AccessCheck.obstacles(reading: folder("log"), by: all).isEmpty)
        #expect(!AccessCheck.obstacles(writingIn: folder.path, by: all).isEmpty)
        let root = Account(name: "root", userID: 0, groupIDs: [0])
        #expect(AccessCheck.obstacles(writingIn: folder.path, by: root).isEmpty)
    }

    @Test func everyFolderOnTheWayCounts() throws {
        try folder.createFolder("closed")
        try folder.write("closed/log", "x")
        try FileSystem.createLink(folder("link"), to: folder("closed/log"))
        try FileSystem.setPermissions(folder("closed/log"), 0o644)
        try FileSystem.setPermissions(folder("closed"), 0o700)
        try FileSystem.setPermissions(folder.path, 0o755)
        let other = account(70_000, [70_000])
        for name in ["closed/log", "link"] {
            let found = AccessCheck.obstacles(reading: folder(name), by: other)
            #expect(found.contains { $0.path == folder("closed") && $0.right == .search })
        }
        try FileSystem.setPermissions(folder("closed"), 0o711)
        let found = AccessCheck.obstacles(reading: folder("link"), by: other)
        #expect(!found.contains { $0.path.hasPrefix(folder("closed")) })
    }

    @Test func accountsComeFromTheFilesOfTheMachine() throws {
        try folder.createFolder("etc")
        try folder.write("etc/passwd", "root:x:0:0:::\nidp:x:990:991:::\nbroken:x\n")
        try folder.write("etc/group", "idp:x:991:\nadm:x:4:syslog,idp\nother:x:5:idpx\n")
        let idp = try #require(AccountNames.account("idp", root: folder.path))
        #expect(idp == account(990, [991, 4]))
        #expect(AccountNames.account("broken", root: folder.path) == nil)
        #expect(AccountNames.groupID("adm", root: folder.path) == 4)
        #expect(AccountNames.group(4, root: folder.path) == "adm")
    }

    @Test func aUnitSaysWhoseRightsCount() throws {
        let place = "etc/systemd/system/sealtail.service"
        try FileSystem.createFolders(folder(place + ".d"))
        try FileSystem.createFolders(folder("usr/lib/systemd/system/sealtail.service.d"))
        try folder.write("etc/passwd", "idp:x:990:991:::\n")
        try folder.write("etc/group", "adm:x:4:\nlogs:x:5:\n")
        #expect(ServiceUnit.find("sealtail.service", root: folder.path) == nil)
        try folder.write(
            place, "[Service]\nUser=idp\nSupplementaryGroups=adm\nProtectHome=yes\nPrivateTmp=yes\n"
        )
        var unit = try #require(ServiceUnit.find("sealtail.service", root: folder.path))
        let account = try #require(unit.account(fallback: "x", root: folder.path))
        #expect(account.groupIDs == [991, 4] && !account.readsAll)
        #expect(unit.objection(to: "/home/ada/idp.log")?.contains("ProtectHome=") == true)
        #expect(unit.objection(to: "/tmp/idp.log")?.contains("PrivateTmp=") == true)
        #expect(unit.objection(to: "/var/log/idp.log") == nil)
        try folder.write(place + ".d/20.conf", "AmbientCapabilities=CAP_DAC_READ_SEARCH\n")
        try folder.write(
            "usr/lib/systemd/system/sealtail.service.d/10.conf",
            "SupplementaryGroups=\nSupplementaryGroups=logs\n")
        unit = try #require(ServiceUnit.find("sealtail.service", root: folder.path))
        let more = try #require(unit.account(fallback: "x", root: folder.path))
        #expect(more.groupIDs == [991, 5] && more.readsAll)
    }

    @Test func blanksAroundAWordOfAUnitAreNoPartOfIt() {
        var unit = ServiceUnit()
        unit.read("[Service]\r\n User = idp \t\r\nSupplementaryGroups =\tadm logs\n")
        #expect(unit.user == "idp" && unit.groups == ["adm", "logs"])
        unit.read("User = \n")
        #expect(unit.user == nil)
    }
}
