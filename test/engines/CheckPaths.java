import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.PKIXRevocationChecker.Option;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * java CheckPaths.java FILE: judges paths with Java's PKIX validator. Each line of FILE is one path, of fields with a
 * tab between them: how its status is looked up (crl or ocsp), the purpose, the policy or nothing, and objects of the
 * form KIND:BASE64 of DER: a an anchor, c a certificate of the path (leaf first), i a CA that is known besides, l a CRL,
 * o the OCSP answer about the certificate before it. What is missing is fetched where the certificates say. Prints one
 * line for each: accepted, or the reason and the message.
 */
class CheckPaths {
  private static final CertificateFactory FACTORY = factory();

  public static void main(String[] args) throws Exception {
    for (String line : Files.readAllLines(Path.of(args[0]))) {
      System.out.println(verdict(line.split("\t", -1)));
    }
  }

  private static String verdict(String[] fields) throws Exception {
    Set<TrustAnchor> anchors = new HashSet<>();
    List<X509Certificate> path = new ArrayList<>();
    List<Object> known = new ArrayList<>();
    Map<X509Certificate, byte[]> answers = new HashMap<>();
    for (int i = 3; i < fields.length; i++) {
      byte[] der = Base64.getDecoder().decode(fields[i].substring(2));
      ByteArrayInputStream in = new ByteArrayInputStream(der);
      switch (fields[i].charAt(0)) {
        case 'a' -> anchors.add(new TrustAnchor((X509Certificate) FACTORY.generateCertificate(in), null));
        case 'c' -> path.add((X509Certificate) FACTORY.generateCertificate(in));
        case 'i' -> known.add(FACTORY.generateCertificate(in));
        case 'l' -> known.add(FACTORY.generateCRL(in));
        default -> answers.put(path.get(path.size() - 1), der);
      }
    }
    X509CertSelector leaf = new X509CertSelector();
    leaf.setExtendedKeyUsage(Set.of(fields[1]));
    PKIXParameters parameters = new PKIXParameters(anchors);
    parameters.setTargetCertConstraints(leaf);
    if (!fields[2].isEmpty()) {
      parameters.setExplicitPolicyRequired(true);
      parameters.setInitialPolicies(Set.of(fields[2]));
    }
    CertPathValidator validator = CertPathValidator.getInstance("PKIX");
    PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
    if (fields[0].equals("crl")) {
      parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(known)));
      checker.setOptions(EnumSet.of(Option.PREFER_CRLS, Option.NO_FALLBACK));
    } else {
      checker.setOcspResponses(answers);
      checker.setOptions(EnumSet.of(Option.NO_FALLBACK));
    }
    parameters.addCertPathChecker(checker);
    try {
      validator.validate(FACTORY.generateCertPath(path), parameters);
      return "accepted";
    } catch (CertPathValidatorException e) {
      return e.getReason() + ": " + String.valueOf(e.getMessage()).replaceAll("\\s+", " ");
    }
  }

  private static CertificateFactory factory() {
    try {
      return CertificateFactory.getInstance("X.509");
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
