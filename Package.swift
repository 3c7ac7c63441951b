// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// The floors, from below: C libraries, Platform, Events, the five stages, Pipeline, the command.
// A target may depend only on floors below its own; TidyTests reads the imports and says so.
let swift: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func stage(_ name: String) -> Target {
    .target(name: name, dependencies: ["Events", "Platform"], swiftSettings: swift)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: dependencies + ["Platform", "TestSupport"],
        swiftSettings: swift)
}

let package = Package(
    name: "sealtail",
    products: [.executable(name: "sealtail", targets: ["sealtail"])],
    targets: [
        .systemLibrary(
            name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(
            name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CSSL", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(
            name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        .systemLibrary(
            name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .target(name: "CISAL", linkerSettings: [.linkedLibrary("isal")]),
        .target(name: "CCurl", linkerSettings: [.linkedLibrary("curl")]),
        .target(
            name: "CMicroHTTPD",
            linkerSettings: [.linkedLibrary("microhttpd"), .linkedLibrary("gnutls")]),
        .target(name: "CSimdJSON", linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "CLinux"),
        .target(name: "CRdKafka"),
        .target(name: "CSIMD"),

        .target(
            name: "Platform",
            dependencies: [
                "CYAML", "CCrypto", "CSSL", "CSodium", "CZstd", "CPCRE2", "CSystemd", "CISAL",
                "CSimdJSON", "CMicroHTTPD", "CLinux", "CSIMD",
            ],
            swiftSettings: swift),
        .target(name: "Events", dependencies: ["Platform"], swiftSettings: swift),
        stage("Inputs"),
        stage("Parsing"),
        stage("Sealing"),
        stage("Ledger"),
        .target(
            name: "Sinks", dependencies: ["Events", "Platform", "CCurl", "CRdKafka"],
            swiftSettings: swift),
        .target(
            name: "Pipeline",
            dependencies: [
                "Inputs", "Parsing", "Sealing", "Ledger", "Sinks", "Events", "Platform",
                "CMicroHTTPD",
            ],
            resources: [.embedInCode("Status/status.html")], swiftSettings: swift),
        .executableTarget(
            name: "sealtail",
            dependencies: [
                "Pipeline", "Inputs", "Parsing", "Sealing", "Ledger", "Sinks", "Events",
                "Platform",
            ],
            swiftSettings: swift),

        .target(
            name: "TestSupport", dependencies: ["Inputs", "Sinks", "Events", "Platform"],
            path: "Tests/TestSupport", swiftSettings: swift),
        tests("Platform", []),
        tests("Events", ["Events"]),
        tests("Inputs", ["Inputs", "Events"]),
        tests("Parsing", ["Parsing", "Events"]),
        tests("Sealing", ["Sealing", "Events"]),
        tests("Ledger", ["Ledger", "Events"]),
        .systemLibrary(
            name: "CRdKafkaMock", path: "Tests/CRdKafkaMock", pkgConfig: "rdkafka",
            providers: [.apt(["librdkafka-dev"])]),
        tests("Sinks", ["Pipeline", "Sinks", "Events", "CRdKafkaMock"]),
        tests(
            "Pipeline", ["Pipeline", "Inputs", "Parsing", "Sealing", "Ledger", "Sinks", "Events"]),
        tests("Tidy", ["Events"]),
    ]
)
