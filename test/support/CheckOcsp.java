import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.PKIXRevocationChecker.Option;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** java CheckOcsp.java URL ROOT LEAF [CA...]: says whether Java's PKIX validator accepts the leaf, by OCSP alone. */
class CheckOcsp {
  public static void main(String[] args) throws Exception {
    CertificateFactory factory = CertificateFactory.getInstance("X.509");
    List<X509Certificate> read = new ArrayList<>();
    for (int i = 1; i < args.length; i++) {
      try (InputStream in = Files.newInputStream(Path.of(args[i]))) {
        read.add((X509Certificate) factory.generateCertificate(in));
      }
    }
    CertPathValidator validator = CertPathValidator.getInstance("PKIX");
    PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
    checker.setOcspResponder(URI.create(args[0]));
    checker.setOptions(EnumSet.of(Option.NO_FALLBACK, Option.ONLY_END_ENTITY));
    PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(read.get(0), null)));
    parameters.addCertPathChecker(checker);
    try {
      validator.validate(factory.generateCertPath(read.subList(1, read.size())), parameters);
      System.out.println("accepted");
    } catch (CertPathValidatorException e) {
      System.out.println("refused: " + e.getReason() + ", " + e.getMessage());
    }
  }
}
