/* s3_fault.h: the errors of S3 that its model does not name.
 * Codes, statuses and texts: "Error responses" of the Amazon S3 API Reference.
 * Owns: nothing. Threads: any. Fails: never. */
#pragma once

#include "wire.h"

/* X(C name, code, status, usual text) */
#define S3_FAULTS(X)                                                                       \
    X(access_denied, "AccessDenied", 403, "Access Denied")                                 \
    X(acl_not_supported, "AccessControlListNotSupported", 400,                             \
      "The bucket does not allow ACLs")                                                    \
    X(bad_digest, "BadDigest", 400,                                                        \
      "The Content-MD5 or checksum value that you specified did not match what the "       \
      "server received.")                                                                  \
    X(bucket_not_empty, "BucketNotEmpty", 409,                                             \
      "The bucket you tried to delete is not empty")                                       \
    X(entity_too_large, "EntityTooLarge", 400,                                             \
      "Your proposed upload exceeds the maximum allowed object size.")                     \
    X(entity_too_small, "EntityTooSmall", 400,                                             \
      "Your proposed upload is smaller than the minimum allowed object size.")             \
    X(wrong_location, "IllegalLocationConstraintException", 400,                           \
      "The specified location-constraint is not valid")                                    \
    X(incomplete_body, "IncompleteBody", 400,                                              \
      "You did not provide the number of bytes specified by the Content-Length HTTP "      \
      "header")                                                                            \
    X(internal_error, "InternalError", 500,                                                \
      "We encountered an internal error. Please try again.")                               \
    X(invalid_argument, "InvalidArgument", 400, "Invalid Argument")                        \
    X(invalid_bucket_name, "InvalidBucketName", 400, "The specified bucket is not valid.") \
    X(invalid_digest, "InvalidDigest", 400, "The Content-MD5 you specified was invalid.")  \
    X(invalid_part, "InvalidPart", 400,                                                    \
      "One or more of the specified parts could not be found. The part may not have been " \
      "uploaded, or the specified entity tag may not match the part's entity tag.")        \
    X(invalid_part_order, "InvalidPartOrder", 400,                                         \
      "The list of parts was not in ascending order. Parts must be ordered by part "       \
      "number.")                                                                           \
    X(invalid_range, "InvalidRange", 416, "The requested range is not satisfiable")        \
    X(bad_request, "InvalidRequest", 400, "Invalid Request")                               \
    X(invalid_storage_class, "InvalidStorageClass", 400,                                   \
      "The storage class you specified is not valid")                                      \
    X(invalid_tag, "InvalidTag", 400, "The tag provided was not a valid tag.")             \
    X(invalid_uri, "InvalidURI", 400, "Couldn't parse the specified URI.")                 \
    X(key_too_long, "KeyTooLongError", 400, "Your key is too long")                        \
    X(malformed_policy, "MalformedPolicy", 400, "Policies must be valid JSON")             \
    X(malformed_xml, "MalformedXML", 400,                                                  \
      "The XML you provided was not well-formed or did not validate against our "          \
      "published schema")                                                                  \
    X(metadata_too_large, "MetadataTooLarge", 400,                                         \
      "Your metadata headers exceed the maximum allowed metadata size")                    \
    X(method_not_allowed, "MethodNotAllowed", 405,                                         \
      "The specified method is not allowed against this resource.")                        \
    X(missing_body, "MissingRequestBodyError", 400, "Request Body is empty")              \
    X(missing_length, "MissingContentLength", 411,                                         \
      "You must provide the Content-Length HTTP header.")                                  \
    X(no_such_bucket_policy, "NoSuchBucketPolicy", 404,                                    \
      "The bucket policy does not exist")                                                  \
    X(no_cors, "NoSuchCORSConfiguration", 404, "The CORS configuration does not exist")    \
    X(no_encryption, "ServerSideEncryptionConfigurationNotFoundError", 404,                \
      "The server side encryption configuration was not found")                            \
    X(no_lifecycle, "NoSuchLifecycleConfiguration", 404,                                   \
      "The lifecycle configuration does not exist")                                        \
    X(no_object_lock, "ObjectLockConfigurationNotFoundError", 404,                         \
      "Object Lock configuration does not exist for this bucket")                          \
    X(no_public_access_block, "NoSuchPublicAccessBlockConfiguration", 404,                 \
      "The public access block configuration was not found")                               \
    X(no_replication, "ReplicationConfigurationNotFoundError", 404,                        \
      "The replication configuration was not found")                                       \
    X(no_such_bucket_found, "NoSuchBucket", 404, "The specified bucket does not exist")    \
    X(no_such_key_found, "NoSuchKey", 404, "The specified key does not exist.")            \
    X(no_such_upload_found, "NoSuchUpload", 404,                                           \
      "The specified upload does not exist. The upload ID may be invalid, or the upload "  \
      "may have been aborted or completed.")                                               \
    X(no_tags, "NoSuchTagSet", 404, "The TagSet does not exist")                           \
    X(no_website, "NoSuchWebsiteConfiguration", 404,                                       \
      "The specified bucket does not have a website configuration")                        \
    X(not_implemented, "NotImplemented", 501,                                              \
      "A header you provided implies functionality that is not implemented")               \
    X(not_modified, "NotModified", 304, "Not Modified")                                    \
    X(precondition_failed, "PreconditionFailed", 412,                                      \
      "At least one of the pre-conditions you specified did not hold")                     \
    X(service_unavailable, "ServiceUnavailable", 503,                                       \
      "Service is unable to handle request.")                                              \
    X(slow_down, "SlowDown", 503, "Please reduce your request rate.")                      \
    X(too_many_buckets, "TooManyBuckets", 400,                                             \
      "You have attempted to create more buckets than allowed")                            \
    X(wrong_hash, "XAmzContentSHA256Mismatch", 400,                                        \
      "The provided 'x-amz-content-sha256' header does not match what was computed.")      \
    X(wrong_region, "AuthorizationHeaderMalformed", 400,                                   \
      "The authorization header is malformed; the region is wrong")                        \
    X(wrong_signature, "SignatureDoesNotMatch", 403,                                       \
      "The request signature we calculated does not match the signature you provided. "    \
      "Check your key and signing method.")

#define S3_FAULT_DECLARE(name, code, status, text) extern const struct wire_fault s3_##name;
S3_FAULTS(S3_FAULT_DECLARE)
#undef S3_FAULT_DECLARE

/* The usual text of a fault of this table; "" of others. */
const char *s3_fault_text(const struct wire_fault *fault);
