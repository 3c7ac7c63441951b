// SPDX-License-Identifier: Apache-2.0
import Platform
import Testing

@testable import Sinks

@Suite struct AWSCredentialsTests {
    private func key(_ id: String, token: String? = nil) -> AWSCredentials? {
        AWSCredentials(accessKeyID: id, secretAccessKey: "secret/\(id)", sessionToken: token)
    }

    // MARK: Documents

    @Test func aMetadataDocumentIsRead() throws {
        let text =
            "{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\","
            + "\"Token\":\"t\",\"Expiration\":\"2026-11-21T17:00:00Z\"}"
        let found = try #require(AWSCredentials(json: Array(text.utf8)))
        #expect(found.accessKeyID == "A")
        #expect(found.secretAccessKey == Secret(Array("s".utf8)))
        #expect(found.sessionToken == Secret(Array("t".utf8)))
        #expect(found.expiration?.text == "2026-11-21T17:00:00.000000Z")
    }

    @Test(arguments: [
        "", "null", "[]", "{}", "{\"AccessKeyId\":\"A\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":1}",
        "{\"AccessKeyId\":\"A\\r\\nX: 1\",\"SecretAccessKey\":\"s\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\\n\"}",
    ])
    func whatIsNoDocumentOfCredentialsIsNone(text: String) {
        #expect(AWSCredentials(json: Array(text.utf8)) == nil)
    }

    @Test func theTokenServicesAnswerIsRead() throws {
        let text =
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
            + "<AccessKeyId>A</AccessKeyId><SecretAccessKey>a&amp;lt;b</SecretAccessKey>"
            + "<SessionToken>t</SessionToken><Expiration>2026-11-21T17:00:00.5Z</Expiration>"
            + "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        let found = try #require(AWSCredentials(xml: Array(text.utf8)))
        #expect(found.secretAccessKey == Secret(Array("a&lt;b".utf8)))
        #expect(found.expiration?.text == "2026-11-21T17:00:00.500000Z")
        #expect(AWSCredentials(xml: Array("<AccessKeyId>A</AccessKeyId>".utf8)) == nil)
    }

    @Test func aSharedFileHasProfiles() {
        let file = Array(
            """
            # mine
            [default]
            aws_access_key_id=A
            aws_secret_access_key = secret/A
            [ other ]
            ; said twice
            aws_access_key_id = no
            AWS_ACCESS_KEY_ID = B
            aws_secret_access_key\t=\tsecret/B
            aws_session_token = t=t==
            region = eu-central-1
            [half]
            aws_access_key_id = C
            [profile config]\r
            aws_access_key_id = D\r
            aws_secret_access_key = secret/D\r
            """.utf8)
        #expect(SharedCredentialsFile.credentials(of: "default", in: file) == key("A"))
        #expect(
            SharedCredentialsFile.credentials(of: "other", in: file) == key("B", token: "t=t=="))
        #expect(SharedCredentialsFile.credentials(of: "config", in: file) == key("D"))
        #expect(SharedCredentialsFile.credentials(of: "half", in: file) == nil)
        #expect(SharedCredentialsFile.credentials(of: "none", in: file) == nil)
    }

    @Test func nothingPrintsAKey() throws {
        let found = try #require(key("A", token: "tokentext"))
        var shown = "\(found) \(CredentialSource.fixed(found, place: "auth"))"
        dump(found, to: &shown)
        #expect(!shown.contains("secret/A"))
        #expect(!shown.contains("tokentext"))
    }

    // MARK: Times

    @Test(arguments: [
        ("2026-11-21T11:02:07Z", "2026-11-21T11:02:07.000000Z"),
        ("2026-11-21T11:02:07.118Z", "2026-11-21T11:02:07.118000Z"),
        ("2026-11-21T11:02:07.123456789Z", "2026-11-21T11:02:07.123456Z"),
        ("2026-02-29T11:02:07Z", nil), ("2026-11-21T11:02:07", nil), ("2026-11-21T11:02:07.Z", nil),
        ("2026-11-21 11:02:07Z", nil), ("2026-11-21T11:02:0xZ", nil), ("", nil),
    ])
    func timesAreRead(text: String, expected: String?) {
        #expect(WrittenTime.internet(text)?.text == expected)
    }

    @Test(arguments: [
        ("Sat, 21 Nov 2026 11:02:07 GMT", "2026-11-21T11:02:07.000000Z"),
        ("Saturday, 21-Nov-26 11:02:07 GMT", nil), ("Sat Nov 21 11:02:07 2026", nil),
        ("Sat, 31 Feb 2026 11:02:07 GMT", nil), ("Sat, 21 Nov 2026 11:02 GMT", nil), ("", nil),
    ])
    func datesAreRead(text: String, expected: String?) {
        #expect(WrittenTime.http(text)?.text == expected)
    }

    // MARK: The chain

    private func chain(
        _ environment: [String: String], written: AWSOptions.Authentication? = nil
    ) throws -> [String] {
        try CredentialSource.chain(written: written, region: "eu-central-1") { environment[$0] }
            .map(\.words)
    }

    @Test func whatIsNamedIsTheOnlySource() throws {
        let everything = [
            "HOME": "/home/idp", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "arn:r", "AWS_PROFILE": "p",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x",
        ]
        let written = try #require(key("W"))
        #expect(try chain(everything, written: .key(written)) == ["auth"])
        #expect(
            try chain(everything, written: .profile("q", file: "/f")) == ["profile q of /f"])
        #expect(
            try chain(everything, written: .profile("q", file: nil))
                == ["profile q of /home/idp/.aws/credentials"])
        #expect(try chain(everything) == ["the environment"])
        var rest = everything
        rest["AWS_ACCESS_KEY_ID"] = ""
        #expect(
            try chain(rest) == [
                "role arn:r for the token in /t, of sts.eu-central-1.amazonaws.com"
            ])
        rest["AWS_WEB_IDENTITY_TOKEN_FILE"] = nil
        #expect(try chain(rest) == ["profile p of /home/idp/.aws/credentials"])
        rest["AWS_PROFILE"] = nil
        #expect(
            try chain(rest) == [
                "profile default of /home/idp/.aws/credentials",
                "the container's service at 169.254.170.2",
            ])
        rest["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = nil
        #expect(
            try chain(rest) == [
                "profile default of /home/idp/.aws/credentials",
                "the instance's metadata service at 169.254.169.254",
            ])
        rest["AWS_EC2_METADATA_DISABLED"] = "True"
        #expect(try chain(rest) == ["profile default of /home/idp/.aws/credentials"])
    }

    @Test(arguments: [
        ["AWS_ACCESS_KEY_ID": "A"], ["AWS_WEB_IDENTITY_TOKEN_FILE": "/t"],
        ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/x"],
        ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "ftp://localhost/x"],
        ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost"],
        ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@192.0.2.1/x"],
        ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "here"],
    ])
    func halfASourceIsAMistakeWithAWayOut(environment: [String: String]) throws {
        let error = #expect(throws: CredentialProblem.self) { try chain(environment) }
        #expect(error?.sentence.contains(try #require(environment.keys.first)) == true)
    }

    @Test(arguments: [
        "http://localhost:1/x?id=1", "http://127.0.0.1/x", "https://192.0.2.1/x",
        "http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials",
    ])
    func theseMayBeAskedForAContainersCredentials(url: String) throws {
        #expect(try chain(["AWS_CONTAINER_CREDENTIALS_FULL_URI": url]).count == 1)
    }

    @Test(arguments: [
        "http://127.example.com/x", "http://localhost.example.com/x", "http://192.0.2.1/x",
    ])
    func elsewhereNoTokenGoesInClear(url: String) {
        #expect(throws: CredentialProblem.self) {
            try chain(["AWS_CONTAINER_CREDENTIALS_FULL_URI": url])
        }
    }
}
